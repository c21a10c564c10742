using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace RecipeService.Tests.Support;

/// <summary>The log lines that a host wrote.</summary>
internal sealed class Lines : ILoggerProvider
{
    private readonly ConcurrentQueue<string> _all = new();

    public IReadOnlyList<string> All => [.. _all];

    /// <summary>Waits until a line is there.</summary>
    public Task ShowAsync(string line)
        => Until.TrueAsync(() => Task.FromResult(_all.Contains(line)), $"a line says \"{line}\"");

    public ILogger CreateLogger(string categoryName) => new Writer(_all);

    public void Dispose()
    {
    }

    private sealed class Writer(ConcurrentQueue<string> lines) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter)
            => lines.Enqueue(formatter(state, exception));
    }
}
