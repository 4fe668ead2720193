"""Jobs: who attends to one starts its pods, counts how they end, and says when it is over."""
