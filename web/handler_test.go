package web

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// serve starts a server of the pages in dir, or of those built in, and returns how to ask it.
func serve(t *testing.T, dir string) func(method, target string, header http.Header) *http.Response {
	t.Helper()
	server := httptest.NewServer(Handler(dir))
	t.Cleanup(server.Close)
	client := server.Client()
	client.Transport.(*http.Transport).DisableCompression = true
	return func(method, target string, header http.Header) *http.Response {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), method, server.URL+target, nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, values := range header {
			request.Header[name] = values
		}
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = response.Body.Close() })
		return response
	}
}

func body(t *testing.T, response *http.Response) string {
	t.Helper()
	contents, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(contents)
}

// pages writes a small set of pages and returns its folder.
func pages(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	var zipped bytes.Buffer
	writer := gzip.NewWriter(&zipped)
	_, _ = writer.Write([]byte("script"))
	_ = writer.Close()
	for name, contents := range map[string]string{
		"index.html":                 "page",
		"doctor.html":                "doctor",
		"assets/main-0A1B2C3D.js":    "script",
		"assets/main-0A1B2C3D.js.gz": zipped.String(),
		"assets/main-0A1B2C3D.js.br": "as if by brotli",
		"assets/other-0A1B2C3D.js":   "other",
		"notes.exe":                  "not for the public",
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(contents), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestEmbeddedPagesAndAllTheyReferToAreServed(t *testing.T) {
	for _, path := range []string{"/?room=garden", "/doctor?run"} {
		t.Run(path, func(t *testing.T) { embeddedPageIsServed(t, path) })
	}
}

func embeddedPageIsServed(t *testing.T, path string) {
	ask := serve(t, "")
	page := ask("GET", path, nil)
	if page.StatusCode != http.StatusOK {
		t.Fatalf("GET %s is %d, want 200", path, page.StatusCode)
	}
	html := body(t, page)
	references := regexp.MustCompile(`\s(?:src|href)="([^"]+)"`).FindAllStringSubmatch(html, -1)
	scripts := 0
	for _, reference := range references {
		target := reference[1]
		if strings.Contains(target, "//") {
			t.Errorf("the page refers to another host: %s", target)
		}
		if !strings.HasPrefix(target, "assets/") {
			continue
		}
		if strings.HasSuffix(target, ".js") {
			scripts++
		}
		response := ask("GET", "/"+target, nil)
		if response.StatusCode != http.StatusOK {
			t.Errorf("GET %s is %d, want 200", target, response.StatusCode)
		}
		if got, want := response.Header.Get("Cache-Control"), "public, max-age=31536000, immutable"; got != want {
			t.Errorf("Cache-Control of %s is %q, want %q", target, got, want)
		}
	}
	if scripts == 0 {
		t.Error("the page loads no script")
	}
}

func TestWhatIsServed(t *testing.T) {
	ask := serve(t, pages(t))
	cases := map[string]struct {
		method, target string
		status         int
		contentType    string
		cacheControl   string
		body           string
	}{
		"the page":                        {"GET", "/", 200, "text/html; charset=utf-8", "no-cache", "page"},
		"the page, with a query":          {"GET", "/?room=a", 200, "text/html; charset=utf-8", "no-cache", "page"},
		"the page's headers alone":        {"HEAD", "/", 200, "text/html; charset=utf-8", "no-cache", ""},
		"the doctor":                      {"GET", "/doctor?run", 200, "text/html; charset=utf-8", "no-cache", "doctor"},
		"a hashed file":                   {"GET", "/assets/main-0A1B2C3D.js", 200, "text/javascript; charset=utf-8", "public, max-age=31536000, immutable", "script"},
		"a file that is not there":        {"GET", "/assets/none-0A1B2C3D.js", 404, "text/plain; charset=utf-8", "no-cache", "no such page\n"},
		"a page that is not there":        {"GET", "/other", 404, "text/plain; charset=utf-8", "no-cache", "no such page\n"},
		"a folder":                        {"GET", "/assets", 404, "text/plain; charset=utf-8", "no-cache", "no such page\n"},
		"a compressed file by its name":   {"GET", "/assets/main-0A1B2C3D.js.gz", 404, "text/plain; charset=utf-8", "no-cache", "no such page\n"},
		"a file of another kind":          {"GET", "/notes.exe", 404, "text/plain; charset=utf-8", "no-cache", "no such page\n"},
		"a way out of the folder":         {"GET", "/assets/%2e%2e/%2e%2e/secret.txt", 404, "text/plain; charset=utf-8", "no-cache", "no such page\n"},
		"a name that no system can store": {"GET", "/a%00.js", 404, "text/plain; charset=utf-8", "no-cache", "no such page\n"},
		"another method":                  {"POST", "/", 405, "text/plain; charset=utf-8", "", "only GET and HEAD here\n"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			response := ask(c.method, c.target, nil)
			if response.StatusCode != c.status {
				t.Errorf("status is %d, want %d", response.StatusCode, c.status)
			}
			if got := response.Header.Get("Content-Type"); got != c.contentType {
				t.Errorf("Content-Type is %q, want %q", got, c.contentType)
			}
			if got := response.Header.Get("Cache-Control"); got != c.cacheControl {
				t.Errorf("Cache-Control is %q, want %q", got, c.cacheControl)
			}
			if got := body(t, response); got != c.body {
				t.Errorf("body is %q, want %q", got, c.body)
			}
			for header, want := range map[string]string{
				"Content-Security-Policy": policy,
				"X-Content-Type-Options":  "nosniff",
				"Referrer-Policy":         "no-referrer",
			} {
				if got := response.Header.Get(header); got != want {
					t.Errorf("%s is %q, want %q", header, got, want)
				}
			}
		})
	}
}

func TestAPageWithASlashAfterItLeadsToTheOneWithout(t *testing.T) {
	ask := serve(t, pages(t))
	response := ask("GET", "/doctor/?run", nil)
	if at, got := response.Request.URL.RequestURI(), body(t, response); at != "/doctor?run" || got != "doctor" {
		t.Errorf("it leads to %q at %s, want the doctor at /doctor?run", got, at)
	}
	if response := ask("GET", "//", nil); response.StatusCode != http.StatusNotFound {
		t.Errorf("// is %d, want 404", response.StatusCode)
	}
}

func TestEncodings(t *testing.T) {
	ask := serve(t, pages(t))
	cases := map[string]struct {
		accept []string
		want   string
	}{
		"nothing said":                       {nil, ""},
		"as browsers say it":                 {[]string{"gzip, deflate, br, zstd"}, "br"},
		"gzip alone":                         {[]string{"gzip"}, "gzip"},
		"in capitals":                        {[]string{"GZIP"}, "gzip"},
		"brotli refused":                     {[]string{"br;q=0, gzip"}, "gzip"},
		"brotli refused, with decimals":      {[]string{"gzip;q=0.5, br; q=0.000"}, "gzip"},
		"all refused":                        {[]string{"*;q=0"}, ""},
		"anything":                           {[]string{"*"}, "br"},
		"anything but brotli":                {[]string{"*, br;q=0"}, "gzip"},
		"gzip alone, the others refused":     {[]string{"gzip, *;q=0"}, "gzip"},
		"in two headers":                     {[]string{"deflate", "gzip"}, "gzip"},
		"a name that only begins like one":   {[]string{"brr, gzipped"}, ""},
		"a weight that is not a number":      {[]string{"br;q=high"}, ""},
		"plain wanted, in so many words":     {[]string{"identity"}, ""},
		"a parameter that is not a weight":   {[]string{"br;level=0"}, "br"},
		"nothing, but in a header of spaces": {[]string{" , ;, "}, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			header := http.Header{}
			if c.accept != nil {
				header["Accept-Encoding"] = c.accept
			}
			response := ask("GET", "/assets/main-0A1B2C3D.js", header)
			if got := response.Header.Get("Content-Encoding"); got != c.want {
				t.Errorf("Content-Encoding is %q, want %q", got, c.want)
			}
			if got := response.Header.Get("Vary"); got != "Accept-Encoding" {
				t.Errorf("Vary is %q, want Accept-Encoding", got)
			}
			if got, want := response.Header.Get("Content-Type"), "text/javascript; charset=utf-8"; got != want {
				t.Errorf("Content-Type is %q, want %q", got, want)
			}
			contents := body(t, response)
			switch c.want {
			case "br":
				if contents != "as if by brotli" {
					t.Errorf("body is %q, not that of the .br file", contents)
				}
			case "gzip":
				reader, err := gzip.NewReader(strings.NewReader(contents))
				if err != nil {
					t.Fatal(err)
				}
				plain, err := io.ReadAll(reader)
				if err != nil || string(plain) != "script" {
					t.Errorf("body holds %q, %v, want script", plain, err)
				}
			default:
				if contents != "script" {
					t.Errorf("body is %q, want script", contents)
				}
			}
		})
	}
}

func TestAFileWithoutCompressedCopiesIsServedPlain(t *testing.T) {
	ask := serve(t, pages(t))
	response := ask("GET", "/assets/other-0A1B2C3D.js", http.Header{"Accept-Encoding": {"gzip, br"}})
	if encoding, contents := response.Header.Get("Content-Encoding"), body(t, response); encoding != "" || contents != "other" {
		t.Errorf("got %q in encoding %q, want other in none", contents, encoding)
	}
}

func TestAnUnchangedPageIsNotSentAgain(t *testing.T) {
	dir := pages(t)
	ask := serve(t, dir)
	tag := ask("GET", "/", nil).Header.Get("ETag")
	if tag == "" {
		t.Fatal("no ETag")
	}
	again := ask("GET", "/", http.Header{"If-None-Match": {tag}})
	if again.StatusCode != http.StatusNotModified {
		t.Errorf("status of an unchanged page is %d, want 304", again.StatusCode)
	}
	if again.Header.Get("Content-Security-Policy") == "" {
		t.Error("a 304 has no Content-Security-Policy")
	}
	if err := os.WriteFile(filepath.Join(dir, "index.html"), []byte("new page"), 0o600); err != nil {
		t.Fatal(err)
	}
	changed := ask("GET", "/", http.Header{"If-None-Match": {tag}})
	if changed.StatusCode != http.StatusOK {
		t.Errorf("status of a changed page is %d, want 200", changed.StatusCode)
	}
	if contents := body(t, changed); contents != "new page" {
		t.Errorf("a changed page is %q, want new page", contents)
	}
	if changed.Header.Get("ETag") == tag {
		t.Error("a changed page has the ETag of the earlier one")
	}
}

func TestEncodingsHaveTheirOwnETags(t *testing.T) {
	ask := serve(t, pages(t))
	tags := map[string]string{}
	for _, encoding := range []string{"identity", "gzip", "br"} {
		tag := ask("GET", "/assets/main-0A1B2C3D.js", http.Header{"Accept-Encoding": {encoding}}).Header.Get("ETag")
		if other, taken := tags[tag]; taken {
			t.Errorf("%s and %s share the ETag %s", encoding, other, tag)
		}
		tags[tag] = encoding
	}
}

func TestTheClientIsServedToPagesOfOtherSites(t *testing.T) {
	dir := pages(t)
	for name, contents := range map[string]string{"client.js": "export {}", "client.d.ts": "export {};", "relay-0A1B2C3D.js": "export {}"} {
		path := filepath.Join(dir, "sdk", "v1", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(contents), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ask := serve(t, dir)
	const whileFresh, forEver = "public, max-age=600", "public, max-age=31536000, immutable"
	cases := map[string]struct{ target, contentType, types, caching string }{
		"the module": {"/sdk/v1/client.js", "text/javascript; charset=utf-8", "./client.d.ts", whileFresh},
		"its types":  {"/sdk/v1/client.d.ts", "application/typescript; charset=utf-8", "", whileFresh},
		"a part":     {"/sdk/v1/relay-0A1B2C3D.js", "text/javascript; charset=utf-8", "", forEver},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			response := ask("GET", c.target, http.Header{"Origin": {"https://elsewhere.example"}})
			if response.StatusCode != http.StatusOK {
				t.Fatalf("status is %d, want 200", response.StatusCode)
			}
			for header, want := range map[string]string{
				"Content-Type":                 c.contentType,
				"Access-Control-Allow-Origin":  "*",
				"Cross-Origin-Resource-Policy": "cross-origin",
				"Cache-Control":                c.caching,
				"X-TypeScript-Types":           c.types,
			} {
				if got := response.Header.Get(header); got != want {
					t.Errorf("%s is %q, want %q", header, got, want)
				}
			}
			tag := response.Header.Get("ETag")
			if again := ask("GET", c.target, http.Header{"If-None-Match": {tag}}); again.StatusCode != http.StatusNotModified {
				t.Errorf("status of an unchanged module is %d, want 304", again.StatusCode)
			}
		})
	}
	if got := ask("GET", "/assets/main-0A1B2C3D.js", nil).Header.Get("Access-Control-Allow-Origin"); got != "" {
		t.Errorf("a page's own script may be read by %q", got)
	}
}
