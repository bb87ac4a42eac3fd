"""The app: pages, /api and clips on one port. `streamlit run app.py` or `uvicorn app:app`."""

import sys

from lab.extras import install

try:
    import streamlit as st
except ModuleNotFoundError:
    sys.exit(f"the app needs the package streamlit: {install('app')}")
from starlette.middleware import Middleware
from streamlit import runtime

from lab.app.server.guard import Guard
from lab.app.server.moved import moved_pages
from lab.app.server.routes import routes
from lab.app.server.state import app_state
from lab.app.server.token import BrowserSecret, startup_token
from lab.app.ui.start import allowed_hosts, lifespan

if runtime.exists() and st.runtime.scriptrunner.get_script_run_ctx() is not None:
    from lab.app.ui.navigation import show_pages

    show_pages()
else:
    app = st.App(
        "app.py",
        lifespan=lifespan,
        routes=[*routes(), *moved_pages()],
        middleware=[
            Middleware(
                Guard,
                token=startup_token(),
                secret=BrowserSecret(app_state().store.folder),
                allowed_hosts=allowed_hosts(),
            )
        ],
    )
