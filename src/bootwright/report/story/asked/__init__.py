"""What a report says to somebody who asks about one thing."""
