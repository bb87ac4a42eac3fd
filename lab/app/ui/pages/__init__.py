"""One file a page; `pages/` names them."""
