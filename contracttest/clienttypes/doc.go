// Package clienttypes holds the types of package client to openapi.yaml: no member more, none less, each of its type.
package clienttypes
