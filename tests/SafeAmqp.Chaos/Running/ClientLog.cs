using System.Diagnostics;
using Microsoft.Extensions.Logging;

namespace SafeAmqp.Chaos.Running;

/// <summary>
/// Reads a client's log lines as they are written: links lost and opened, what the broker did to it, and whether a
/// secret is in them.
/// </summary>
internal sealed class ClientLog(string client, Witnesses witnesses) : ILoggerFactory, ILogger
{
    private const int StateChanged = 102, LinkLost = 103, Blocked = 104, ConsumerLost = 301, Crashed = 101,
        AttemptFailed = 107, FailedAgain = 108;

    public ILogger CreateLogger(string categoryName) => this;

    public void AddProvider(ILoggerProvider provider)
    {
    }

    public void Dispose()
    {
    }

    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter)
    {
        string line = formatter(state, exception);
        witnesses.LookForSecrets("a log line", line, exception?.ToString());
        string Value(string name) => state is IReadOnlyList<KeyValuePair<string, object?>> values
            ? values.FirstOrDefault(value => value.Key == name).Value?.ToString() ?? ""
            : "";
        switch (eventId.Id)
        {
            case LinkLost:
                witnesses.Lost($"{client}:{Value("Link")}", line);
                break;
            case AttemptFailed or FailedAgain:
                witnesses.AttemptFailed(line);
                break;
            case StateChanged when Value("To") == nameof(AmqpLinkState.Open):
                witnesses.Opened($"{client}:{Value("Link")}");
                break;
            case Blocked:
                witnesses.Blocked();
                break;
            case ConsumerLost:
                witnesses.ConsumerLost();
                break;
            case Crashed:
                witnesses.Unexpected($"{client}: {line} {exception}");
                break;
        }
        if (witnesses.Verbose)
            Console.Error.WriteLine(
                $"{Stopwatch.GetTimestamp() / (double)Stopwatch.Frequency:0.000} {client} {logLevel} {line}");
    }
}
