// Package hm re-exports the v1 package; see package dang.
package hm

import v1 "github.com/vito/dang/pkg/hm"

type FunctionType = v1.FunctionType
type NonNullType = v1.NonNullType
type Type = v1.Type
