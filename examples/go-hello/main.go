// A small web server that ends when it is told to, after the requests that are under way.
package main

import (
	"context"
	"embed"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/go-chi/chi/v5"
)

//go:embed greeting.txt
var files embed.FS

func main() {
	greeting, err := files.ReadFile("greeting.txt")
	if err != nil {
		log.Fatal(err)
	}
	router := chi.NewRouter()
	router.Get("/", func(response http.ResponseWriter, request *http.Request) {
		fmt.Fprintf(response, "%s from %s\n", string(greeting[:len(greeting)-1]), runtime.Version())
	})
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	server := &http.Server{Addr: ":" + port, Handler: router}
	stopping, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	go func() {
		<-stopping.Done()
		server.Shutdown(context.Background())
	}()
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		log.Fatal(err)
	}
}
