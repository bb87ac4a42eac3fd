"""All of lab's Streamlit: the player component, shared widgets, start-up."""
