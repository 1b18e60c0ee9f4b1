"""The review page: masks looked at and corrected in a browser, by a server on this machine."""
