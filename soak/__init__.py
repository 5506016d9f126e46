"""The soak: random jobs under random kills, and an account of every one of them."""
