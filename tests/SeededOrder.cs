using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using SafeAmqp.TestOrder;
using Xunit;
using Xunit.Sdk;
using Xunit.v3;

[assembly: TestCollectionOrderer(typeof(SeededOrder))]
[assembly: TestCaseOrderer(typeof(SeededOrder))]

namespace SafeAmqp.TestOrder;

/// <summary>
/// The order of tests: shuffled by a seed, and for a seed the same on every machine. That of xunit depends on the
/// folder that the assembly is in.
/// </summary>
internal sealed partial class SeededOrder : ITestCollectionOrderer, ITestCaseOrderer
{
    /// <summary>Names the seed; without it, it is 1.</summary>
    public const string Variable = "SAFEAMQP_TEST_SEED";

    internal static readonly int Seed = Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } seed
        ? int.Parse(seed, CultureInfo.InvariantCulture)
        : 1;

    public IReadOnlyCollection<T> OrderTestCollections<T>(IReadOnlyCollection<T> testCollections) where T : ITestCollection =>
        [.. testCollections.OrderBy(collection => Place(UniqueId().Replace(collection.TestCollectionDisplayName, "")))];

    public IReadOnlyCollection<T> OrderTestCases<T>(IReadOnlyCollection<T> testCases) where T : notnull, ITestCase =>
        [.. testCases.OrderBy(testCase => Place(testCase.TestCaseDisplayName))];

    private static ulong Place(string name) =>
        BitConverter.ToUInt64(SHA256.HashData(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{Seed} {name}"))));

    // What xunit adds to the names of collections is made from the folder too.
    [GeneratedRegex(@" \(id: \w+\)$")]
    private static partial Regex UniqueId();
}
