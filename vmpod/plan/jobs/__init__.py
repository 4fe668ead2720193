"""What a Job does next: decided from what it says, what its pods are, and the time. Nothing is done here."""
