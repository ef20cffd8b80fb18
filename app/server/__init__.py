"""What all tabs of a server share: runs, news of them, the pool, the disk."""
