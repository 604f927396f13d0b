"""`make bench`: how fast Headwater is, each row next to what it is measured against."""
