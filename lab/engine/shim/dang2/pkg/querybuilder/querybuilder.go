// Package querybuilder re-exports the v1 package; see package dang.
package querybuilder

import v1 "github.com/vito/dang/pkg/querybuilder"

var Query = v1.Query
