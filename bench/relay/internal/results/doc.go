// Package results keeps what a run of the bench has seen, as JSON, and makes tables, the README's section and a plot of it.
package results
