"""hybrid: one arbiter, interchangeable workers, any Python web application."""

__version__ = "0.1.0"
