package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// policy lets a page load its own scripts, open connections to its own server, and nothing else. Styles may be inline
// because CodeMirror writes its own into the page.
const policy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; " +
	"img-src 'self' data:; font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// hashed matches the names that the build gives to files by their content.
var hashed = regexp.MustCompile(`^(assets|sdk/v1)/.+-[0-9A-Z]{8}\.[a-z0-9]+$`)

// contentTypes says what the pages consist of. Nothing else is served: the table of the operating system, which
// [mime.TypeByExtension] reads, has been wrong about JavaScript before.
var contentTypes = map[string]string{
	".html":        "text/html; charset=utf-8",
	".js":          "text/javascript; charset=utf-8",
	".ts":          "application/typescript; charset=utf-8",
	".css":         "text/css; charset=utf-8",
	".json":        "application/json",
	".svg":         "image/svg+xml",
	".png":         "image/png",
	".ico":         "image/x-icon",
	".txt":         "text/plain; charset=utf-8",
	".woff2":       "font/woff2",
	".webmanifest": "application/manifest+json",
}

// pageNames are the names without an ending under which pages are served.
var pageNames = map[string]string{"": "index.html", "doctor": "doctor.html"}

// Handler returns a handler that serves the pages: the editor at "/", the connection doctor at "/doctor", and below "/" what they load; and the browser
// client for the pages of other sites, an ES module, at "/sdk/v1/client.js", with its types and the parts that it loads beside it. The pages are those
// built into the program, or, where dir is not empty, those found in that folder at each request, for developing.
//
// It answers GET and HEAD; what does not exist is 404. Mounted below a prefix it needs [http.StripPrefix]. It may be
// called concurrently.
func Handler(dir string) http.Handler {
	if dir != "" {
		return handler{files: os.DirFS(dir)}
	}
	dist, err := fs.Sub(embedded, "dist")
	if err != nil {
		panic(err) // "dist" is a valid path, which is all that fs.Sub asks
	}
	return handler{files: dist}
}

type handler struct {
	files fs.FS
}

// ServeHTTP serves one file, in the best encoding that the client takes and the build has made.
func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Security-Policy", policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		header.Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD here", http.StatusMethodNotAllowed)
		return
	}

	name := strings.TrimPrefix(r.URL.Path, "/")
	if page, slash := strings.CutSuffix(name, "/"); slash && page != "" && pageNames[page] != "" {
		to := url.URL{Path: "../" + page, RawQuery: r.URL.RawQuery}
		header.Set("Location", to.String()) // what the page loads is beside it, not below
		w.WriteHeader(http.StatusPermanentRedirect)
		return
	}
	if page, known := pageNames[name]; known {
		name = page
	}
	contentType, known := contentTypes[path.Ext(name)]
	if !known || !fs.ValidPath(name) {
		h.notFound(w)
		return
	}
	contents, encoding, err := h.read(name, r.Header.Values("Accept-Encoding"))
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrInvalid):
		h.notFound(w)
		return
	case err != nil:
		http.Error(w, "the page cannot be read", http.StatusInternalServerError)
		return
	}

	header.Set("Content-Type", contentType)
	header.Add("Vary", "Accept-Encoding")
	if encoding != "" {
		header.Set("Content-Encoding", encoding)
	}
	isClient := strings.HasPrefix(name, "sdk/")
	if isClient { // for everybody's pages
		header.Set("Access-Control-Allow-Origin", "*")
		header.Set("Cross-Origin-Resource-Policy", "cross-origin")
	}
	switch {
	case hashed.MatchString(name):
		header.Set("Cache-Control", "public, max-age=31536000, immutable")
	case isClient:
		// An older one goes on with this server: v1 is in its name. But the parts that it loads are here no longer than it is.
		header.Set("Cache-Control", "public, max-age=600")
		if types, isScript := strings.CutSuffix(path.Base(name), ".js"); isScript {
			header.Set("X-TypeScript-Types", "./"+types+".d.ts")
		}
	default:
		header.Set("Cache-Control", "no-cache")
	}
	sum := sha256.Sum256(contents)
	header.Set("ETag", `"`+base64.RawURLEncoding.EncodeToString(sum[:12])+`"`)
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(contents))
}

func (h handler) notFound(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "no-cache")
	http.Error(w, "no such page", http.StatusNotFound)
}

// read returns the file in the first encoding that is accepted and there.
func (h handler) read(name string, acceptEncoding []string) (contents []byte, encoding string, err error) {
	for _, offer := range [...]struct{ encoding, suffix string }{{"br", ".br"}, {"gzip", ".gz"}} {
		if !accepts(acceptEncoding, offer.encoding) {
			continue
		}
		contents, err := fs.ReadFile(h.files, name+offer.suffix)
		if err == nil {
			return contents, offer.encoding, nil
		}
	}
	contents, err = fs.ReadFile(h.files, name)
	return contents, "", err
}

// accepts reports whether a header Accept-Encoding names the encoding, or all of them by "*", without refusing it by a
// weight of 0 (RFC 9110, section 12.5.3).
func accepts(values []string, encoding string) bool {
	accepted := false
	for _, element := range strings.Split(strings.Join(values, ","), ",") {
		name, parameters, _ := strings.Cut(element, ";")
		name = strings.ToLower(strings.TrimSpace(name))
		if name != encoding && name != "*" {
			continue
		}
		wanted := weight(parameters) > 0
		if name == encoding {
			return wanted
		}
		accepted = wanted
	}
	return accepted
}

func weight(parameters string) float64 {
	for _, parameter := range strings.Split(parameters, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(parameter), "=")
		if !strings.EqualFold(strings.TrimSpace(name), "q") {
			continue
		}
		q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil {
			return 0
		}
		return q
	}
	return 1
}
