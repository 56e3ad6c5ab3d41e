// Package oapi has the client that oapi-codegen generates from openapi.yaml.
package oapi
