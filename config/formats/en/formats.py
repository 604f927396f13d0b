"""Times in the admin, all alike, with their zone. Django looks for this module by its name."""

DATETIME_FORMAT = "Y-m-d H:i:s e"
DATE_FORMAT = "Y-m-d"
