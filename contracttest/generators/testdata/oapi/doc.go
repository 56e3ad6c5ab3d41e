// Package oapi is what oapi-codegen makes of openapi.yaml.
package oapi
