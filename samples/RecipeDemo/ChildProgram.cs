using System.Diagnostics;
using System.Runtime.InteropServices;

namespace RecipeDemo;

/// <summary>A program of ours in a process of its own, started from the build output. Disposing ends it: asked first, then killed.</summary>
internal sealed class ChildProgram : IAsyncDisposable
{
    private const int LinesKept = 40;
    private const int SigTerm = 15;
    private static readonly TimeSpan TimeToEnd = TimeSpan.FromSeconds(8);

    private readonly string _name;
    private readonly Process _process;
    private readonly Lock _lock = new();
    private readonly Queue<string> _lines = new();
    private readonly List<(string Text, TaskCompletionSource<string> Found)> _awaited = [];

    private ChildProgram(string name, Process process) => (_name, _process) = (name, process);

    /// <summary>Starts <c>dotnet {assembly}.dll</c>.</summary>
    public static ChildProgram Start(string name, string assembly, string[] arguments, IReadOnlyDictionary<string, string> environment)
    {
        var start = new ProcessStartInfo(Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet")
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, assembly + ".dll"));
        foreach (var argument in arguments)
            start.ArgumentList.Add(argument);
        foreach (var (key, value) in environment)
            start.Environment[key] = value;

        var program = new ChildProgram(name, new Process { StartInfo = start, EnableRaisingEvents = true });
        program._process.OutputDataReceived += (_, line) => program.Take(line.Data);
        program._process.ErrorDataReceived += (_, line) => program.Take(line.Data);
        program._process.Exited += (_, _) => program.GiveUp();
        program._process.Start();
        program._process.BeginOutputReadLine();
        program._process.BeginErrorReadLine();
        return program;
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
            GiveUp();
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

    private void GiveUp()
    {
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
