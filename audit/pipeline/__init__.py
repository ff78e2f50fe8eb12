"""All of it together: from a request to an audit, and the disk."""
