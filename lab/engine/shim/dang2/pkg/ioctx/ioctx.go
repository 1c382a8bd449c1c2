// Package ioctx re-exports the v1 package; see package dang.
package ioctx

import v1 "github.com/vito/dang/pkg/ioctx"

var StderrToContext = v1.StderrToContext
var StdoutToContext = v1.StdoutToContext
