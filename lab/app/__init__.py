"""The three ways in: command line, server, pages. Only here Streamlit and Starlette are known."""
