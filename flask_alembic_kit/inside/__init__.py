"""What runs in a process of its own, inside the app: nothing here imports the rest of the kit."""
