package hostname

import "testing"

func TestWhichNamesAreOurs(t *testing.T) {
	for header, own := range map[string]bool{
		"127.0.0.1": true, "127.0.0.1:9090": true, "[::1]:9090": true, "[::1]": true, "10.1.2.3:80": true,
		"localhost": true, "LOCALHOST:1": true, "localhost.": true, "app.localhost": true, "parley:9090": true, "printer.local": true,
		"evil.example": false, "evil.example:9090": false, "127.0.0.1.evil.example": false, "local.evil.example:1": false, "": false, ":80": false,
	} {
		if got := Own(Of(header)); got != own {
			t.Errorf("%q: got %v, want %v", header, got, own)
		}
	}
}
