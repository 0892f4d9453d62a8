"""Instructions of hot calls, as callgrind counts them."""
