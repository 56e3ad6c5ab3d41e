// Package clienttypes compares the types of package client with openapi.yaml: they must have the same members, of the same types.
package clienttypes
