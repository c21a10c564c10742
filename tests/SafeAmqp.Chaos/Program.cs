using SafeAmqp.Chaos.Checking;
using SafeAmqp.Chaos.Faults;
using SafeAmqp.Chaos.Running;
using SafeAmqp.Chaos.SideBySide;
using Xunit.Runner.InProc.SystemConsole;

// By command: --minutes 60 --seed 7 runs chaos; schedule, check and side-by-side say what they are for. Without a word
// of these: the tests.
switch (args)
{
    case ["schedule", .. var rest]:
        foreach (FaultPlan plan in Schedule.For(ChaosOptions.Parse(rest).Seed, FaultCatalog.Names).Take(100))
            Console.WriteLine(plan);
        return 0;
    case ["check", var path]:
        var checker = HistoryFile.Check(path, new RunExpectations());
        Console.WriteLine(checker.Messages);
        foreach (string forgotten in checker.ForgottenByTheBroker)
            Console.WriteLine($"the broker forgot a consumer: {forgotten}");
        foreach (Violation violation in checker.Violations())
            Console.WriteLine(violation);
        return checker.Violations().Count == 0 ? 0 : 1;
    case ["recovery", .. var asked]:
        int rounds = asked is ["--rounds", var count]
            ? int.Parse(count, System.Globalization.CultureInfo.InvariantCulture)
            : 100;
        Console.WriteLine(await new RecoveryRun(rounds, new ChaosOptions().Folder).RunAsync());
        return 0;
    case ["side-by-side"]:
        IReadOnlyList<Row> rows = await SideBySideRun.RunAsync(row => Console.Error.WriteLine($"{row.Name} done"));
        Console.WriteLine(SideBySideTable.Draw(rows));
        return rows.All(row => row.Safe.Held) ? 0 : 1;
    case [HostileTable.Argument, var client, var port]:
        return await HostileTable.MeetAsync(
            client, int.Parse(port, System.Globalization.CultureInfo.InvariantCulture));
    case [Isolated.Argument, var name, var node]:
        return await Isolated.BeAsync(name, int.Parse(node, System.Globalization.CultureInfo.InvariantCulture));
    case [var first, ..] when first is "--minutes" or "--seed" or "--only" or "--folder" or "--rate" or "--verbose":
        var options = ChaosOptions.Parse(args);
        using (var stop = new CancellationTokenSource())
        {
            Console.CancelKeyPress += (_, e) =>
            {
                e.Cancel = true; // ends the faults; the verdict is still given
                stop.Cancel();
            };
            RunResult result = await new ChaosRun(options, RunExpectations.For(options)).RunAsync(stop.Token);
            Console.WriteLine(result.Write());
            return result.Violations.Count == 0 ? 0 : 1;
        }
    default:
        return await ConsoleRunner.Run(args);
}
