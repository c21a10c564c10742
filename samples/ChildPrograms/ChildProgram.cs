using System.Diagnostics;
using System.Runtime.InteropServices;

namespace ChildPrograms;

/// <summary>
/// A program of ours in a process of its own, started from the build output. Disposing ends it: asked first, then
/// killed.
/// </summary>
public sealed class ChildProgram : IAsyncDisposable
{
    private const int LinesKept = 400;
    private const int SigTerm = 15;
    private static readonly TimeSpan TimeToEnd = TimeSpan.FromSeconds(8);

    private readonly string _name;
    private readonly Process _process;
    private readonly Lock _lock = new();
    private readonly Queue<string> _lines = new();
    private readonly List<(string Text, TaskCompletionSource<string> Found)> _awaited = [];

    private readonly Action<string>? _onLine;

    private ChildProgram(string name, Process process, Action<string>? onLine)
        => (_name, _process, _onLine) = (name, process, onLine);

    /// <summary>Starts <c>dotnet {assembly}.dll</c> from the folder of the calling program.</summary>
    /// <param name="name">What it is called in errors.</param>
    /// <param name="assembly">The assembly's name.</param>
    /// <param name="arguments">Its command line.</param>
    /// <param name="environment">Variables that it gets besides those of this process.</param>
    /// <param name="onLine">Called with each line that it writes, from any thread.</param>
    public static ChildProgram Start(
        string name, string assembly, IReadOnlyList<string> arguments, IReadOnlyDictionary<string, string> environment,
        Action<string>? onLine = null)
        => StartProgram(name, Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet",
            [Path.Combine(AppContext.BaseDirectory, assembly + ".dll"), .. arguments], environment, onLine);

    /// <summary>Starts any program.</summary>
    /// <inheritdoc cref="Start"/>
    public static ChildProgram StartProgram(
        string name, string program, IReadOnlyList<string> arguments, IReadOnlyDictionary<string, string> environment,
        Action<string>? onLine = null)
    {
        var start = new ProcessStartInfo(program)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        foreach (string argument in arguments)
            start.ArgumentList.Add(argument);
        foreach (var (key, value) in environment)
            start.Environment[key] = value;

        var child = new ChildProgram(name, new Process { StartInfo = start, EnableRaisingEvents = true }, onLine);
        child._process.OutputDataReceived += (_, line) => child.Take(line.Data);
        child._process.ErrorDataReceived += (_, line) => child.Take(line.Data);
        child._process.Exited += (_, _) => _ = child.GiveUpWhenReadAsync();
        child._process.Start();
        child._process.BeginOutputReadLine();
        child._process.BeginErrorReadLine();
        return child;
    }

    /// <summary>Waits for a line that contains the text.</summary>
    /// <exception cref="ProgramException">The program ended before.</exception>
    public Task<string> LineAsync(string text, CancellationToken cancellationToken)
    {
        var found = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_lock)
        {
            if (_lines.FirstOrDefault(line => line.Contains(text, StringComparison.Ordinal)) is { } line)
                return Task.FromResult(line);
            _awaited.Add((text, found));
        }

        if (_process.HasExited)
            _ = GiveUpWhenReadAsync();
        return found.Task.WaitAsync(cancellationToken);
    }

    /// <summary>The last lines it wrote.</summary>
    public IReadOnlyList<string> LastLines
    {
        get
        {
            lock (_lock)
                return [.. _lines];
        }
    }

    /// <summary>The process's id.</summary>
    public int Id => _process.Id;

    /// <summary>Whether it has ended.</summary>
    public bool HasEnded => _process.HasExited;

    /// <summary>Waits for its end, with all that it wrote read.</summary>
    /// <returns>Its exit code.</returns>
    public async Task<int> EndAsync(CancellationToken cancellationToken)
    {
        await _process.WaitForExitAsync(cancellationToken);
        return _process.ExitCode;
    }

    /// <summary>Ends it at once, as a crash does.</summary>
    public void Kill() => _process.Kill(entireProcessTree: true);

    /// <summary>Ends it, asked first and then killed.</summary>
    public async ValueTask DisposeAsync()
    {
        using (_process)
        {
            if (_process.HasExited)
                return;
            using var limit = new CancellationTokenSource(TimeToEnd);
            try
            {
                if (OperatingSystem.IsWindows() || Signal(_process.Id, SigTerm) != 0)
                    _process.Kill(entireProcessTree: true);
                await _process.WaitForExitAsync(limit.Token);
            }
            catch (OperationCanceledException)
            {
                _process.Kill(entireProcessTree: true);
            }
        }
    }

    private void Take(string? line)
    {
        if (line is null)
            return;
        _onLine?.Invoke(line);
        lock (_lock)
        {
            _lines.Enqueue(line);
            if (_lines.Count > LinesKept)
                _lines.Dequeue();
            foreach (var (text, found) in _awaited)
                if (line.Contains(text, StringComparison.Ordinal))
                    found.TrySetResult(line);
        }
    }

    // A process may have ended before its last lines are read here.
    private async Task GiveUpWhenReadAsync()
    {
        await _process.WaitForExitAsync();
        var error = new ProgramException($"The {_name} ended early. It wrote:\n{string.Join('\n', LastLines)}");
        lock (_lock)
            foreach (var (_, found) in _awaited)
                found.TrySetException(error);
    }

    // .NET can kill a process but not ask it to end, as a service manager does.
    [DllImport("libc", EntryPoint = "kill")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Signal(int processId, int signal);
}
