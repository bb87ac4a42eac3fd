"""The routes by which workers elsewhere take clips of the app's queue.

routes  the routes, and what each error is answered with
bodies  what a worker says, checked
"""
