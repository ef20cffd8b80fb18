"""Files on their way in and out, and who reads them."""
