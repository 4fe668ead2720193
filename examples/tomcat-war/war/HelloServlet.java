import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;

/** Tells where it runs: the pod, the Java and the kernel. */
public class HelloServlet extends HttpServlet {
    private static final long serialVersionUID = 1;

    @Override
    protected void doGet(HttpServletRequest request, HttpServletResponse response) throws IOException {
        String host = System.getenv("HOSTNAME");
        String java = System.getProperty("java.version");
        String server = getServletContext().getServerInfo();
        String kernel = System.getProperty("os.version");

        response.setContentType("text/plain");
        response.getWriter().print("Hello from the pod " + host + ".\n"
            + "Java " + java + " behind " + server + ", on Linux " + kernel + ".\n");
    }
}
