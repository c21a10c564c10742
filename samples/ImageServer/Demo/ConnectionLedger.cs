using System.Globalization;

namespace ImageServer.Demo;

/// <summary>Follows the server's count of connections by its log lines: each has to be one more, or one less, than the
/// one before.</summary>
internal sealed class ConnectionLedger
{
    private const string Starting = "Starting Connection: ";
    private const string Active = "Active connections: ";

    private readonly Lock _lock = new();
    private int _current;

    public int Started { get; private set; }

    public int Most { get; private set; }

    public int Current
    {
        get
        {
            lock (_lock)
                return _current;
        }
    }

    /// <summary>The first step that was wrong.</summary>
    public string? Wrong { get; private set; }

    public void Take(string line)
    {
        lock (_lock)
        {
            if (After(Starting, line) is { } more)
            {
                Started++;
                Step(more, _current + 1);
            }
            else if (After(Active, line) is { } fewer)
            {
                Step(fewer, _current - 1);
            }
        }
    }

    private void Step(int told, int right)
    {
        if (told != right)
            Wrong ??= $"the server counted {told} connections where there were {right}";
        (_current, Most) = (told, Math.Max(Most, told));
    }

    private static int? After(string text, string line)
        => line.IndexOf(text, StringComparison.Ordinal) is var at and >= 0
        && int.TryParse(
            line.AsSpan(at + text.Length), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int number)
            ? number : null;
}
