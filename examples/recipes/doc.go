// Package recipes has the recipes of the README as tests: what a program has, and how it
// ends with lastcall. A module of its own, because some need what the library does not.
package recipes
