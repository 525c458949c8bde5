"""What is asked of a city: workloads, users who move, radio, and the episodes made of them."""
