module slipway/smoke

go 1.26
