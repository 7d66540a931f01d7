"""From another server's start command to ours."""

from hybrid.translate.start import StartError
from hybrid.translate.translation import Translation, translate

__all__ = ["StartError", "Translation", "translate"]
