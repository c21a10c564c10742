using System.Reflection;
using ImageServer.Server;
using ImageServer.Server.State;
using Microsoft.Extensions.Logging.Abstractions;

namespace ImageServer.Tests;

public sealed class StateTests
{
    [Fact]
    public void Globals_that_many_threads_change_lose_updates_and_mix_up_prompts()
    {
        // As the original: one count and one prompt for all, read, changed and written by each thread. The barrier is
        // between reading and writing.
        var (connections, prompt) = (0, "");
        string[] seen = new string[2];
        using var bothHaveRead = new Barrier(2);
        Parallel(2, client =>
        {
            prompt = $"prompt of client {client}";
            int more = connections + 1;
            bothHaveRead.SignalAndWait(TestContext.Current.CancellationToken);
            connections = more;
            seen[client] = prompt;
        });
        Assert.Equal(1, connections); // of two
        Assert.Equal(seen[0], seen[1]); // one client's next shows the other's prompt
    }

    [Fact]
    public async Task Counts_are_right_however_many_come_and_go_at_once()
    {
        await using var owner = await RunningOwner.StartAsync(new ImageSettings());
        int clients = 0;
        Parallel(16, thread =>
        {
            for (int i = 0; i < 250; i++)
            {
                int? id = owner.State.ConnectAsync("here").Result;
                owner.State.Choose(id!.Value, new Source.Generate($"prompt {thread} {i}", 0));
                var next = Assert.IsType<Source.Generate>(owner.State.AdvanceAsync(id.Value).Result);
                Assert.Equal(($"prompt {thread} {i}", 1), (next.Prompt, next.Seed));
                Interlocked.Increment(ref clients);
                if (i % 2 == 0)
                    Assert.True(owner.State.DisconnectAsync(id.Value).Result >= 0);
            }
        });
        Assert.Equal(4000, clients);
        Assert.Equal(4000, owner.State.Current.ClientsSeen);
        Assert.Equal(2000, owner.State.Current.Clients.Count);
    }

    [Fact]
    public async Task Every_step_of_the_count_is_logged_in_its_order()
    {
        using var lines = new Lines();
        await using var owner = await RunningOwner.StartAsync(new ImageSettings(), lines);
        Parallel(8, _ =>
        {
            for (int i = 0; i < 50; i++)
                _ = owner.State.DisconnectAsync(owner.State.ConnectAsync("here").Result!.Value).Result;
        });
        int count = 0;
        Assert.Equal(800, lines.All.Count);
        foreach (string line in lines.All)
        {
            count += line.StartsWith("Starting Connection: ", StringComparison.Ordinal) ? 1 : -1;
            Assert.True(line == $"Starting Connection: {count}"
                || line == $"Active connections: {count}", $"{line}, where {count} was right");
        }

        Assert.Equal(0, count);
    }

    [Fact]
    public async Task The_line_has_a_bound_and_a_place_for_each()
    {
        await using var owner = await RunningOwner.StartAsync(new ImageSettings { MaxLine = 3 });
        var tickets = new List<long>();
        for (int client = 1; client <= 3; client++)
            tickets.Add((await owner.State.JoinLineAsync(client, new Source.Generate("boats", 0)))!.Value);
        Assert.Null(await owner.State.JoinLineAsync(4, new Source.Generate("boats", 0)));
        Assert.Equal(new PlaceInLine(3, 3), owner.State.Current.PlaceOf(3));

        owner.State.LeaveLine(tickets[0]);
        Assert.NotNull(await owner.State.JoinLineAsync(4, new Source.Generate("boats", 0)));
        Assert.Equal(new PlaceInLine(2, 3), owner.State.Current.PlaceOf(3));
        Assert.Null(owner.State.Current.PlaceOf(1));
    }

    [Fact]
    public async Task A_snapshot_stays_as_it_was()
    {
        await using var owner = await RunningOwner.StartAsync(new ImageSettings());
        owner.State.FindFiles([new ImageFile("/a.png", 1, default), new ImageFile("/b.png", 1, default)]);
        await owner.State.ConnectAsync("here");
        var before = owner.State.Current;
        owner.State.DropFile(before.Files[0]);
        await owner.State.ConnectAsync("there");

        Assert.Equal((2, 1), (before.Files.Length, before.Clients.Count));
        Assert.Equal((1, 2), (owner.State.Current.Files.Length, owner.State.Current.Clients.Count));
        owner.State.FindFiles(before.Files); // found again, and still no picture
        await owner.State.ConnectAsync("there");
        Assert.Equal("/b.png", Assert.Single(owner.State.Current.Files).Path);
    }

    [Fact]
    public void A_client_that_has_left_and_then_speaks_comes_not_back()
    {
        var state = new ServerState().WithClient("here").WithoutClient(1).WithSource(1, new Source.Files());
        Assert.Empty(state.Clients);
    }

    [Fact]
    public void The_owner_of_the_state_has_no_lock_and_nothing_else_has_its_state()
    {
        Type[] locks = [
            typeof(Lock), typeof(Monitor), typeof(Mutex), typeof(Semaphore), typeof(SemaphoreSlim),
            typeof(ReaderWriterLockSlim), typeof(SpinLock),
            typeof(Interlocked), typeof(Barrier), typeof(ManualResetEventSlim), typeof(AutoResetEvent)];
        var types = typeof(StateOwner).Assembly.GetTypes().Where(type => type.Namespace == typeof(StateOwner).Namespace)
            .ToList();
        var all = BindingFlags.Instance | BindingFlags.Static | BindingFlags.Public
            | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;
        Assert.All(types.SelectMany(type => type.GetFields(all)), field =>
        {
            Assert.DoesNotContain(field.FieldType, locks);
            Assert.DoesNotContain("Concurrent", field.FieldType.FullName ?? "", StringComparison.Ordinal);
        });
        Assert.All(types.SelectMany(type => type.GetMethods(all).Cast<MethodBase>().Concat(type.GetConstructors(all))),
            method =>
            Assert.DoesNotContain(Calls(method), called => locks.Contains(called.DeclaringType)));

        // What can change is private to the owner; everything else in the room only has what was set when it was made.
        var changing = types.SelectMany(type => type.GetFields(all))
            .Where(field => !field.IsInitOnly && !field.IsLiteral && !IsOfTheCompiler(field)).ToList();
        Assert.Equal(["_current"], changing.Select(field => field.Name));
        Assert.True(changing[0].IsPrivate);
    }

    // Each call in a method's code: the operand of call, callvirt and newobj.
    private static IEnumerable<MethodBase> Calls(MethodBase method)
    {
        byte[] code = method.GetMethodBody()?.GetILAsByteArray() ?? [];
        for (int at = 0; at + 4 < code.Length; at++)
        {
            if (code[at] is not (0x28 or 0x6F or 0x73))
                continue;
            MethodBase? called = null;
            try
            {
                called = method.Module.ResolveMethod(
                    BitConverter.ToInt32(code, at + 1), method.DeclaringType?.GetGenericArguments(), null);
            }
            catch (ArgumentException)
            {
                // No call, but an operand that looks like one.
            }

            if (called is not null)
                yield return called;
        }
    }

    // Properties with init, state machines, primary constructors' parameters.
    private static bool IsOfTheCompiler(FieldInfo field)
        => field.Name.StartsWith('<') || (field.DeclaringType?.Name.StartsWith('<') ?? false);

    private static void Parallel(int threads, Action<int> work)
    {
        var started = Enumerable.Range(0, threads).Select(index =>
        {
            var thread = new Thread(() => work(index));
            thread.Start();
            return thread;
        }).ToList();
        started.ForEach(thread => thread.Join());
    }

    private sealed class RunningOwner : IAsyncDisposable
    {
        private RunningOwner(StateOwner state) => State = state;

        public StateOwner State { get; }

        public static async Task<RunningOwner> StartAsync(ImageSettings settings, Lines? lines = null)
        {
            var log = lines is null
                ? NullLogger<StateOwner>.Instance
                : new Microsoft.Extensions.Logging.LoggerFactory([lines]) is var factory
                    ? Microsoft.Extensions.Logging.LoggerFactoryExtensions.CreateLogger<StateOwner>(factory)
                    : null!;
            var owner = new StateOwner(settings, TimeProvider.System, log);
            await owner.StartAsync(TestContext.Current.CancellationToken);
            return new RunningOwner(owner);
        }

        public async ValueTask DisposeAsync()
        {
            await State.StopAsync(CancellationToken.None);
            State.Dispose();
        }
    }
}
