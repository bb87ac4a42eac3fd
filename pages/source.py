"""The old address of Library."""

from lab.app.ui.pages.library import redirect

redirect()
