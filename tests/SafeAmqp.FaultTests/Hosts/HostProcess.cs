using System.Diagnostics;
using System.Globalization;

namespace SafeAmqp.FaultTests.Hosts;

/// <summary>A service in a process of its own, and what it has said so far.</summary>
internal sealed class HostProcess : IAsyncDisposable
{
    private readonly Process _process;
    private readonly List<string> _lines = [];
    private readonly TaskCompletionSource _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <param name="uri">Its broker.</param>
    /// <param name="role">What it does instead of a service's work.</param>
    /// <param name="descriptors">How many files and sockets it may have open; 0 for as many as anybody.</param>
    internal HostProcess(string uri, string? role = null, int descriptors = 0)
    {
        string dotnet =
            Environment.ProcessPath is { } path && Path.GetFileNameWithoutExtension(path) == "dotnet" ? path : "dotnet";
        string[] command = [dotnet, Path.Combine(AppContext.BaseDirectory, "SafeAmqp.FaultHost.dll"), uri,
            .. role is null ? [] : (string[])[role]];
        if (descriptors > 0)
            command = ["/bin/sh", "-c", $"ulimit -n {descriptors} && exec \"$0\" \"$@\"", .. command];
        _process = new Process
        {
            StartInfo = new ProcessStartInfo(command[0], command[1..])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true
            }
        };
        _process.OutputDataReceived += (_, line) => Add(line.Data);
        _process.ErrorDataReceived += (_, line) =>
        {
            if (line.Data is not null)
                Add($"! {line.Data}");
        };
        _process.Start();
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    internal int ExitCode => _process.ExitCode;

    internal IReadOnlyList<string> Lines
    {
        get
        {
            lock (_lines)
                return [.. _lines];
        }
    }

    internal IEnumerable<string> Said(char outcome)
        => Lines.Where(line => line.StartsWith($"{outcome} ", StringComparison.Ordinal)).Select(line => line[2..]);

    /// <summary>Whether it has said a line.</summary>
    internal bool HasSaid(string line) => Has(() => Lines.Contains(line));

    /// <summary>Whether it has said of so many messages that they are confirmed.</summary>
    internal bool HasSaid(int confirmed) => Has(() => Said('c').Take(confirmed).Count() == confirmed);

    internal async Task<TimeSpan> TerminateAsync(CancellationToken cancellationToken)
    {
        long start = TimeProvider.System.GetTimestamp();
        using (var kill = Process.Start("kill", ["-TERM", _process.Id.ToString(CultureInfo.InvariantCulture)]))
            await kill.WaitForExitAsync(cancellationToken);
        await _process.WaitForExitAsync(cancellationToken).WaitAsync(FaultCase.Limit, cancellationToken);
        TimeSpan took = TimeProvider.System.GetElapsedTime(start);
        await _closed.Task.WaitAsync(FaultCase.Limit, cancellationToken); // all it said has come
        return took;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
            await _process.WaitForExitAsync(CancellationToken.None);
        }
        _process.Dispose();
    }

    private bool Has(Func<bool> condition)
    {
        bool saidAll = _closed.Task.IsCompleted; // before the look, which then sees everything
        return condition() || (saidAll
            ? throw new Xunit.Sdk.XunitException($"It ended: {string.Join('\n', Lines.TakeLast(20))}")
            : false);
    }

    private void Add(string? line)
    {
        if (line is null)
        {
            _closed.TrySetResult();
            return;
        }
        lock (_lines)
            _lines.Add(line);
    }
}
