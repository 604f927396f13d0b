def write_key(number: int) -> str:
    """A made-up key; the last four characters, by which the sink shows it, tell up to 10,000 apart."""
    return f"benchBENCHbenchBENCHbenchBEN{number:04}"
