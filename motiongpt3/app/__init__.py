"""What a person touches: parse, call, show."""
