"""Views: each shows and edits the session; none imports another."""
