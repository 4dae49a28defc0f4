"""What revisions do, found out without a database, and which rules that breaks; for plan and lint."""
