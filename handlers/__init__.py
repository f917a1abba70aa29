"""The Tornado edge: translate, authenticate, delegate. No SQL, no rules of trips.

`handlers.application` has the routes. Nothing is imported here: operators' commands need some modules of this
package, and should not wait for the others.
"""
