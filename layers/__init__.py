"""What the platform holds and how it looks: table contracts, the store, the layer catalogue, the standards."""
