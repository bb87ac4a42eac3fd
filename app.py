"""The app: pages, /api and clips on one port. `streamlit run app.py` or `uvicorn app:app`."""

import sys

from lab.extras import install

try:
    import streamlit as st
except ModuleNotFoundError:
    sys.exit(f"the app needs the package streamlit: {install('app')}")
from starlette.middleware import Middleware
from streamlit import runtime

from lab.access.tokens import Tokens
from lab.app.server.guard import Guard
from lab.app.server.live_routes import live_routes
from lab.app.server.login import Login
from lab.app.server.moved import moved_pages
from lab.app.server.routes import routes
from lab.app.server.state import app_state
from lab.app.server.token import BrowserSecret, startup_token
from lab.app.server.webcam_routes import webcam_routes
from lab.app.ui.start import allowed_hosts, lifespan

if runtime.exists() and st.runtime.scriptrunner.get_script_run_ctx() is not None:
    from lab.app.ui.navigation import show_pages

    show_pages()
else:
    ours = [*routes(), *live_routes(), *webcam_routes(), *moved_pages()]
    app = st.App(
        "app.py",
        lifespan=lifespan,
        routes=ours,
        middleware=[
            Middleware(
                Guard,
                token=startup_token(),
                secret=BrowserSecret(app_state().store.folder),
                allowed_hosts=allowed_hosts(),
                tokens=Tokens(app_state().store.folder),
                routes=ours,
                limits=app_state().config.limits,
                login=Login.of_settings(app_state().config.login_users),
            )
        ],
    )
