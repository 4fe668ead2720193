/* What busybox cannot do, for tests: answer UDP, and use System V shared memory.
 *
 *   probe udp-echo PORT       answer every datagram with itself
 *   probe shm-put KEY TEXT    leave a text in a new segment
 *   probe shm-get KEY         print it
 *   probe huge SIZE [FILE]    use so many MiB of huge pages, of that file
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <fcntl.h>
#include <arpa/inet.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/socket.h>

#define SIZE 4096

static int udp_echo(int port)
{
    int sock = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons(port)}, peer;
    char buffer[SIZE];
    if (sock < 0 || bind(sock, (struct sockaddr *)&own, sizeof own) < 0) {
        perror("udp-echo");
        return 1;
    }
    for (;;) {
        socklen_t length = sizeof peer;
        ssize_t size = recvfrom(sock, buffer, sizeof buffer, 0, (struct sockaddr *)&peer, &length);
        if (size >= 0)
            sendto(sock, buffer, size, 0, (struct sockaddr *)&peer, length);
    }
}

static int shared_memory(int key, const char *text)
{
    int id = shmget(key, SIZE, text ? IPC_CREAT | IPC_EXCL | 0644 : 0);
    char *memory = id < 0 ? (void *)-1 : shmat(id, NULL, text ? 0 : SHM_RDONLY);
    if (memory == (void *)-1) {
        perror("shared memory");
        return 1;
    }
    if (text)
        snprintf(memory, SIZE, "%s", text);
    else
        puts(memory);
    return 0;
}

static int huge_pages(size_t size, const char *path)
{
    int file = path ? open(path, O_CREAT | O_RDWR, 0600) : -1;
    if (path && (file < 0 || ftruncate(file, size) < 0)) {
        perror(path);
        return 1;
    }
    int flags = path ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB;
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, file, 0);
    if (memory == MAP_FAILED) {
        perror("huge pages");
        return 1;
    }
    memset(memory, 1, size);
    puts("done");
    return 0;
}

int main(int count, char **words)
{
    if (count == 3 && !strcmp(words[1], "udp-echo"))
        return udp_echo(atoi(words[2]));
    if (count == 4 && !strcmp(words[1], "shm-put"))
        return shared_memory(atoi(words[2]), words[3]);
    if (count == 3 && !strcmp(words[1], "shm-get"))
        return shared_memory(atoi(words[2]), NULL);
    if ((count == 3 || count == 4) && !strcmp(words[1], "huge"))
        return huge_pages((size_t)atoi(words[2]) << 20, words[3]);
    return 2;
}
