"""The app: pages, /api and clips on one port. `streamlit run app.py` or `uvicorn app:app`."""

import sys

from lab.extras import install

try:
    import streamlit as st
except ModuleNotFoundError:
    sys.exit(f"the app needs the package streamlit: {install('app')}")
from streamlit import runtime

from lab.app.server.application import guard_of, our_routes
from lab.app.server.login import Login
from lab.app.server.moved import moved_pages
from lab.app.server.state import app_state
from lab.app.ui.start import allowed_hosts, lifespan

if runtime.exists() and st.runtime.scriptrunner.get_script_run_ctx() is not None:
    from lab.app.ui.navigation import show_pages

    show_pages()
else:
    here = app_state()
    ours = [*our_routes(here), *moved_pages()]
    login = Login.of_settings(here.config.login_users)
    app = st.App(
        "app.py",
        lifespan=lifespan,
        routes=ours,
        middleware=[guard_of(ours, here, allowed_hosts=allowed_hosts(), login=login)],
    )
